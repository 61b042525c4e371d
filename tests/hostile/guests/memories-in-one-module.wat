;; Has more memories than a slot of the pool.
;;= libc
(memory 1) (memory 1) (memory 1)

;; Fills more than there is.
;;= handle
(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))

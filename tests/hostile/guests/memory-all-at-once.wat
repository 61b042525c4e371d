;; Asks for 4 GiB at once, and dies of the refusal.
;;= handle
(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then (unreachable)))

;; Divides by zero.
;;= handle
(drop (i32.div_u (i32.const 1) (local.get $i)))

;; Asks for the remainder of a division by zero.
;;= handle
(drop (i64.rem_s (i64.const 1) (i64.extend_i32_u (local.get $i))))

;; Asks to be tried again after 584 million years.
;;= items
(data (i32.const 4096) "LATER_ON")
;;= handle
(call $fail (i32.const 2) (i32.const 4096) (i32.const 8) (i32.const 0) (i32.const 0))
(i32.store8 (i32.const 1056) (i32.const 1)) (i64.store (i32.const 1064) (i64.const -1))

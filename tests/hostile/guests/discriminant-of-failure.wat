;; Failed in a way that there is not.
;;= handle
(call $fail (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))

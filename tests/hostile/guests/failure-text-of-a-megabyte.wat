;; Fails with a text of a megabyte.
;;= memory: 40
;;= items
(data (i32.const 4096) "VALIDATION_ERROR")
;;= handle
(call $fail (i32.const 1) (i32.const 4096) (i32.const 16) (i32.const 262144) (i32.const 1048576))

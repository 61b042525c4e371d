;; Fails with a code that is none: a line of a log.
;;= items
(data (i32.const 4096) "OK\0aERROR all is lost")
;;= handle
(call $fail (i32.const 1) (i32.const 4096) (i32.const 20) (i32.const 4096) (i32.const 2))

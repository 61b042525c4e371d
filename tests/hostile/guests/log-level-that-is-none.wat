;; Logs at a level that there is not.
;;= imports: logging
;;= handle
(call $log (i32.const 77) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))

;; Logs for ever.
;;= imports: logging
;;= handle
(loop $forever
  (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10))
  (br $forever))

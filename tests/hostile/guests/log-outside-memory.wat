;; Logs what lies outside memory.
;;= imports: logging
;;= handle
(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 0x7fffffff))

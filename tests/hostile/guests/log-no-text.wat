;; Logs what is no text.
;;= imports: logging
;;= items
(data (i32.const 4096) "\ff")
;;= handle
(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 1))

;; Waits for a year before the first message.
;;= imports: clock
;;= items
(func $start (call $block (call $timer (i64.const 31536000000000000))))
(start $start)

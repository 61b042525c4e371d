;; Waits for a timer of 584 years.
;;= imports: clock
;;= handle
(call $block (call $timer (i64.const -1)))

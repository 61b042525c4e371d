;; Waits for a timer that it has dropped.
;;= imports: clock
;;= handle
(local.set $at (call $timer (i64.const 1000)))
(call $drop (local.get $at)) (call $block (local.get $at))

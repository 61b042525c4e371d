;; Drops a timer twice.
;;= imports: clock
;;= handle
(local.set $at (call $timer (i64.const 1000)))
(call $drop (local.get $at)) (call $drop (local.get $at))

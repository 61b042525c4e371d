;; Waits for a moment at a time, for ever.
;;= imports: clock
;;= handle
(loop $forever
  (local.set $at (call $timer (i64.const 50000000))) (call $block (local.get $at)) (call $drop (local.get $at))
  (br $forever))

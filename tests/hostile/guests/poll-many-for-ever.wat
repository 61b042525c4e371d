;; Waits for any of a thousand timers of a year.
;;= imports: clock
;;= limits: host_calls = 100000
;;= handle
(loop $more
  (i32.store (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 4))) (call $timer (i64.const 31536000000000000)))
  (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
(call $poll (i32.const 131072) (i32.const 1000) (i32.const 2048))

;; Leaves a thousand timers of a year behind, and answers well.
;;= imports: clock
;;= limits: host_calls = 100000
;;= handle
(loop $more
  (drop (call $timer (i64.const 31536000000000000)))
  (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))

;; Makes timers of a year and drops them.
;;= imports: clock
;;= handle
(loop $more
  (call $drop (call $timer (i64.const 31536000000000000)))
  (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))

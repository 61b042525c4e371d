;; Looks for a clock that goes in less than milliseconds. It finds none, or it dies.
;;= imports: clock
;;= handle
(loop $more
  (if (i64.ne (i64.rem_u (call $now) (i64.const 1000000)) (i64.const 0)) (then (unreachable)))
  (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))

;; Waits for the same timer of a year, named four thousand times in one list.
;;= imports: clock
;;= memory: 40
;;= handle
(local.set $at (call $timer (i64.const 31536000000000000)))
(loop $more
  (i32.store (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 4))) (local.get $at))
  (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4000))))
(call $poll (i32.const 131072) (i32.const 4000) (i32.const 2048))

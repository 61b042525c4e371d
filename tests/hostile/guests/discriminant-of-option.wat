;; The key of an output is neither there nor not.
;;= handle
(local.set $at (i32.const 131072))
(loop $more
  (i32.store8 offset=8 (local.get $at) (i32.const 2))
  (local.set $at (i32.add (local.get $at) (i32.const 48)))
  (local.set $i (i32.add (local.get $i) (i32.const 1)))
  (br_if $more (i32.lt_u (local.get $i) (i32.const 1))))
(call $answer (i32.const 131072) (i32.const 1))

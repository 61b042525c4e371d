;; An output to a name of a megabyte.
;;= memory: 40
;;= handle
(local.set $at (i32.const 131072))
(loop $more
  (i32.store (local.get $at) (i32.const 262144)) (i32.store offset=4 (local.get $at) (i32.const 1048576))
  (local.set $at (i32.add (local.get $at) (i32.const 48)))
  (local.set $i (i32.add (local.get $i) (i32.const 1)))
  (br_if $more (i32.lt_u (local.get $i) (i32.const 1))))
(call $answer (i32.const 131072) (i32.const 1))

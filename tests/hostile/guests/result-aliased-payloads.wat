;; A hundred outputs share one payload of 2 MiB: 200 MiB for the host to copy.
;;= memory: 40
;;= items
(data (i32.const 4096) "out")
;;= handle
(local.set $at (i32.const 131072))
(loop $more
  (i32.store (local.get $at) (i32.const 4096)) (i32.store offset=4 (local.get $at) (i32.const 3))
  (i32.store8 offset=36 (local.get $at) (i32.const 1)) (i32.store offset=40 (local.get $at) (i32.const 200000)) (i32.store offset=44 (local.get $at) (i32.const 2097152))
  (local.set $at (i32.add (local.get $at) (i32.const 48)))
  (local.set $i (i32.add (local.get $i) (i32.const 1)))
  (br_if $more (i32.lt_u (local.get $i) (i32.const 100))))
(call $answer (i32.const 131072) (i32.const 100))

;; The same in a component that speaks UTF-16.
;;= items
(data (i32.const 4096) "\00\d8")
;;= handle
(local.set $at (i32.const 131072))
(loop $more
  (i32.store (local.get $at) (i32.const 4096)) (i32.store offset=4 (local.get $at) (i32.const 1))
  (local.set $at (i32.add (local.get $at) (i32.const 48)))
  (local.set $i (i32.add (local.get $i) (i32.const 1)))
  (br_if $more (i32.lt_u (local.get $i) (i32.const 1))))
(call $answer (i32.const 131072) (i32.const 1))
;;= lift: string-encoding=utf16

;; Writes long last words with control characters, and dies.
;;= imports: streams
;;= items
(data (i32.const 4096) "\1b[2J\0d\0apanicked")
;;= handle
(local.set $at (call $stderr))
(loop $more
  (call $write (local.get $at) (i32.const 4096) (i32.const 14) (i32.const 2048))
  (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))
(unreachable)

;; Reads standard input to an end that never comes.
;;= imports: streams
;;= handle
(local.set $at (call $stdin))
(loop $forever (call $read (local.get $at) (i64.const 65536) (i32.const 2048)) (br $forever))

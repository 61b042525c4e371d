;; Writes to standard output for ever, without ever ending a line.
;;= imports: streams
;;= limits: host_calls = 50
;;= handle
(local.set $at (call $stdout))
(loop $forever
  (call $write (local.get $at) (i32.const 65536) (i32.const 4096) (i32.const 2048))
  (br $forever))

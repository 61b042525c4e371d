;; Drops a stream while something still waits for it.
;;= imports: streams
;;= handle
(local.set $at (call $stdout))
(drop (call $subscribe (local.get $at))) (call $drop-output (local.get $at))

;; Drops what tells of a stream as if it were the stream.
;;= imports: streams
;;= handle
(call $drop-output (call $subscribe (call $stdout)))

;; Makes a socket. It is told no, or it dies.
;;= imports: sockets
;;= handle
(call $socket (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))

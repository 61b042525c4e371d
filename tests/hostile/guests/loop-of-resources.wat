;; Makes and drops a timer, for ever.
;;= imports: clock
;;= handle
(loop $forever (call $drop (call $timer (i64.const 1000000000000000))) (br $forever))

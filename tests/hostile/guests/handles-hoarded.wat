;; Collects timers until it gets no more.
;;= imports: clock
;;= limits: host_calls = 100000
;;= handle
(loop $more (drop (call $timer (i64.const 1000000000000))) (br $more))

;; Looks at the clock for ever.
;;= imports: clock
;;= handle
(loop $forever (drop (call $now)) (br $forever))

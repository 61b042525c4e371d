;; Looks at the clock when the host asks for room for the message.
;;= imports: clock
;;= early: now
;;= realloc
(drop (call $now))

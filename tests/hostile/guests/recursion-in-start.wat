;; Calls itself without end before the first message.
;;= items
(func $deeper (call $deeper) (call $deeper))
(start $deeper)

;; Dies before the first message.
;;= items
(func $start (unreachable))
(start $start)

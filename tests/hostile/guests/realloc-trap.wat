;; Dies when the host asks for room for the message.
;;= realloc
(unreachable)

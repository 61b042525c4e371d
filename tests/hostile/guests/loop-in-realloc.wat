;; Never comes back when the host asks for room for the message.
;;= realloc
(loop $forever (br $forever))

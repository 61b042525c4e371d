;; Never comes back from its start function.
;;= items
(func $start (loop $forever (br $forever)))
(start $start)

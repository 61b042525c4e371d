;; Never comes back from `handle`.
;;= handle
(loop $forever (br $forever))

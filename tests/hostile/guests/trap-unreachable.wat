;; What a panic, an abort and a failed assertion come down to.
;;= handle
(unreachable)

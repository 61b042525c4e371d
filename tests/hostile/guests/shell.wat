;; Asks for an interface that no host has.
;;= imports: shell

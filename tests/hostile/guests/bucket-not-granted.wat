;; Asks for a key-value store that nobody has granted.
;;= imports: keyvalue

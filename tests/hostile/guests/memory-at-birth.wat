;; Begins with more memory than it may have.
;;= memory: 1000

def write_all(tiny, taesd, odd, out):
    pass

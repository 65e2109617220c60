def emit_header(s): return ""
def emit_source(s): return ""

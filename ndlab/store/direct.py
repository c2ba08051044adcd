"""placeholder"""
def direct_reader(driver, path, order):
    return None

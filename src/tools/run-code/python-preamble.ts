/** Figures of one run that are kept as images, and how large they may be: matplotlib scales far faster than the server could. */
export const MAX_KEPT_FIGURES = 4
const MAX_EDGE_PIXELS = 1568
const MAX_FIGURE_BYTES = 450_000

/** Variables that the preamble reads, and takes out of the environment before the program runs. */
export const PREAMBLE_VARIABLES = { figures: 'SANDBOX_RUN_FIGURES', pythonPath: 'SANDBOX_RUN_PYTHONPATH' } as const

/** Name under which site(1) of Python finds the preamble. */
export const PREAMBLE_FILE = 'sitecustomize.py'

/**
 * Runs before a Python program, as `sitecustomize` (https://docs.python.org/3/library/site.html). It takes itself out of the way, lets
 * a sitecustomize of the image run, and waits for matplotlib.pyplot: without that it costs one comparison for each import. With a
 * backend that cannot show, `show()` keeps the open figures as images and closes them, as closing their windows would; what is still
 * open at the end is kept too. A figure that the program saved as an image itself is not kept twice.
 */
export const PREAMBLE = String.raw`
import os
import sys


def _leave():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if os.path.abspath(each) != here]
    original = os.environ.pop('${PREAMBLE_VARIABLES.pythonPath}', None)
    if original:
        os.environ['PYTHONPATH'] = original
    else:
        os.environ.pop('PYTHONPATH', None)
    this = sys.modules.pop('sitecustomize', None)
    try:
        import sitecustomize
    except ImportError as error:
        if error.name != 'sitecustomize':
            raise
        if this is not None:
            sys.modules['sitecustomize'] = this


class _PyplotFinder:
    def __init__(self, directory):
        self.directory = directory

    def find_spec(self, name, path=None, target=None):
        if name != 'matplotlib.pyplot':
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            _keep_figures(module, self.directory)

        spec.loader.exec_module = exec_module
        return spec


def _keep_figures(pyplot, directory):
    import atexit
    import functools
    import weakref

    from matplotlib._pylab_helpers import Gcf
    from matplotlib.figure import Figure

    process = os.getpid()
    workspace = os.getcwd()
    saved = weakref.WeakSet()
    kept = [0]
    last = [None]
    save = Figure.savefig
    show = pyplot.show
    save_current = pyplot.savefig

    def is_shown_anyway(target):
        try:
            path = os.path.abspath(os.fspath(target))
        except TypeError:
            return False
        extension = os.path.splitext(path)[1].lower()
        return path.startswith(workspace + os.sep) and extension in ('', '.png', '.jpg', '.jpeg', '.webp', '.gif')

    @functools.wraps(save)
    def savefig(self, fname, *args, **kwargs):
        result = save(self, fname, *args, **kwargs)
        if is_shown_anyway(fname):
            saved.add(self)
        return result

    def keep(figure, path):
        if kept[0] > ${MAX_KEPT_FIGURES}:
            open(path + '.more', 'w').close()
            return
        dpi = min(figure.dpi, ${MAX_EDGE_PIXELS} / max(figure.get_size_inches()))
        save(figure, path + '.png', format='png', dpi=dpi)
        if os.path.getsize(path + '.png') <= ${MAX_FIGURE_BYTES}:
            return
        os.remove(path + '.png')
        while True:
            save(figure, path + '.jpg', format='jpg', dpi=dpi)
            if os.path.getsize(path + '.jpg') <= ${MAX_FIGURE_BYTES} or dpi < 10:
                return
            dpi *= 0.7

    def keep_open():
        for manager in Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            if figure in saved or os.getpid() != process:
                continue
            kept[0] += 1
            try:
                keep(figure, os.path.join(directory, '%03d' % kept[0]))
            except Exception as error:
                print('[a figure could not be kept: %s]' % error, file=sys.stderr)

    @functools.wraps(show)
    def keep_instead_of_show(*args, **kwargs):
        if pyplot.get_backend().lower() != 'agg':
            return show(*args, **kwargs)
        keep_open()
        managers = Gcf.get_all_fig_managers()
        if managers:
            last[0] = (Gcf.get_active() or managers[-1]).canvas.figure
        pyplot.close('all')

    @functools.wraps(save_current)
    def save_current_or_last(*args, **kwargs):
        if last[0] is not None and not pyplot.get_fignums():
            return last[0].savefig(*args, **kwargs)
        return save_current(*args, **kwargs)

    Figure.savefig = savefig
    pyplot.show = keep_instead_of_show
    pyplot.savefig = save_current_or_last
    # After pyplot's own, so that it runs before that closes the figures.
    atexit.register(keep_open)


_directory = os.environ.pop('${PREAMBLE_VARIABLES.figures}', None)
_leave()
if _directory:
    sys.meta_path.insert(0, _PyplotFinder(_directory))
`

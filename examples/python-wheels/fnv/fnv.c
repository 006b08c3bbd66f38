/* FNV-1a, 64 bits: a hash that takes a loop over bytes, which Python would take long for. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

static PyObject *hash(PyObject *self, PyObject *args)
{
	uint64_t value = 0xcbf29ce484222325u;
	const unsigned char *data;
	Py_ssize_t len;

	(void)self;
	if (!PyArg_ParseTuple(args, "y#", &data, &len))
		return NULL;
	for (Py_ssize_t i = 0; i < len; i++)
		value = (value ^ data[i]) * 0x100000001b3u;
	return PyLong_FromUnsignedLongLong(value);
}

static PyMethodDef methods[] = {
    {"hash", hash, METH_VARARGS, "The hash of some bytes."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "fnv", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_fnv(void)
{
	return PyModule_Create(&module);
}

"""The steps that finish a bake: `hooks/post_gen_project.py` says in which order.

They run in the hook's process, with the project as the working directory, and use the standard library only.
"""

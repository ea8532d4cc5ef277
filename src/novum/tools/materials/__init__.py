"""Materials: crystals, their energies and stability, elasticity, vibrations, diffusion, diffraction."""

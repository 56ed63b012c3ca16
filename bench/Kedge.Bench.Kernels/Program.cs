using Kedge.Bench.Kernels;

// What the program does to every packet, without the program: small enough to be compiled natively for each level in a moment.
switch (args)
{
    case ["aead"]:
        AeadBench.Run();
        return 0;
    case ["offload"]:
        OffloadBench.Run();
        return 0;
    default:
        Console.Error.WriteLine("Name one of 'aead' and 'offload'.");
        return 2;
}

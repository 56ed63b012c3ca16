namespace Kedge.Bench.PostQuantum;

/// <summary>Key encapsulation, and the key exchange that is made of it.</summary>
internal static class PostQuantumBench
{
    public static void Run()
    {
        KemBench.Run();
        HandshakeBench.Run();
        ExchangeBench.Run();
    }
}
